"""Pages for people: sign in, and who you are. Plain HTML that needs no script."""
