"""Pages for people, served on this machine to a browser: review, try a model, look at runs."""
