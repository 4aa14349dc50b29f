"""What the commands do, without parsing or printing."""
