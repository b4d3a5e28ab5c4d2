"""Deal with web servers: spell URLs, obey robots.txt, ask politely, download, unpack."""
