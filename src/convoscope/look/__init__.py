"""What happened inside: values and gradients of one pass, and the exact arithmetic of any one of them."""
