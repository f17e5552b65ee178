"""Output: the only room that formats. Every function here turns a report or the registry into text."""
