"""The crash proof: its checker is judged by bad histories, and a small run is made."""
