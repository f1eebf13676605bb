"""Tells people: one alert a change, by Apprise, to addresses that are references to secrets."""
