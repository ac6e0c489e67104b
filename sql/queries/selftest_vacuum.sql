-- Frees the places of rows that are gone, so that later ones come to lie before earlier ones.
VACUUM corrections
