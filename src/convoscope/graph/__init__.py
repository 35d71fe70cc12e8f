"""Where things are: the graph of any exportable model, and what each place costs and sees."""
