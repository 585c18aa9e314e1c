//! A log and nodes around it, for the stories of this module's tests: no delays but those a story makes.
