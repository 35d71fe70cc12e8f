"""The page in a browser: what a person sees and does there, from the list of runs to one multiplication."""
