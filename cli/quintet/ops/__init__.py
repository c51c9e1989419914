"""What works on a platform that is installed, on any cluster."""
