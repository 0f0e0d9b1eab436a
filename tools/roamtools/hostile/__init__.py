"""Attacks on a running lab, and what they got: `tools/hostile`. The lab itself is roamtools.lab."""
