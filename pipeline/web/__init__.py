"""Servers of strangers: addresses, robots.txt, polite clients, downloads and what they bring."""
