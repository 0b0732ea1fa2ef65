"""Generators of the example products: shapes, textures and the regions a customer would check."""
