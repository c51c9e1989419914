"""What makes the platform on this machine and ships it: images, tools, a cluster of kind."""
