"""What goes in: datasets as uint8 arrays, their readers, normalisation, augmentation and checks."""
