"""What a set of memes holds: labels, words, sizes; shown so that nobody is insulted by it."""
