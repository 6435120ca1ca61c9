"""A microlensing season as a survey lives it: schedules, scene, detection, vetting and labels."""
