"""What is kept: the folder of a run, its log, its checkpoints and its report."""
