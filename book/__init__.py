"""The builders: bilingual sources → executed notebooks in Chinese and in English."""
