"""What makes a model's features from what a client has, one module each, used by training and by serving.

A module is imported only by what needs it: the libraries that it stands on are not everywhere.
"""
