"""What tests of applications use: doubles that need no network."""
