"""Where the time went: step records, and what is made of them."""
