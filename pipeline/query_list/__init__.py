"""What each source offers as a query: words, bigrams, titles and the names of synsets."""
