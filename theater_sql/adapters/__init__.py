"""Storage for the actors of other frameworks: a module for each, which imports its framework."""
