"""What each lane is shown: prompts with stable prefixes, and how long they are."""
