"""The sample build's pictures, the server that gives them out, and its evaluation set."""
