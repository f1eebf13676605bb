"""Who answers for what, what a card must say, and where a model stands in its life."""
