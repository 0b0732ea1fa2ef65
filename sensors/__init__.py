"""What starts runs: catalogue changes, the night, and the publishing that follows every batch."""
