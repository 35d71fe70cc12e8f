"""How it learns: recipe, events, loop, optimisers, losses, metrics, checkpoints, device."""
