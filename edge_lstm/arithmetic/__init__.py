"""The integer rules, each written once."""
