"""The embedded model's two networks and what feeds them. Loads torch: import it only where it is used."""
