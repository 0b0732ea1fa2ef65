"""Makes the embedded model: procedural products, their pairs of pictures, training and evaluation. Never shipped."""
