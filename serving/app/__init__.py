"""The inference API: answers with the registry's champion, also while the registry is away."""
