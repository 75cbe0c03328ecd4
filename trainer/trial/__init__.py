"""`postroom try`: several ways to sort one file of examples, judged by texts that none of them has learnt."""
