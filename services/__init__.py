"""The world outside, one module or package for each outside thing."""
