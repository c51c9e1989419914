-- Where the rows are that a decision was founded on: of a promotion a copy that stays, of a refusal the run's own snapshot,
-- which goes when objects of its prefix do.
ALTER TABLE promotion_decisions ADD COLUMN snapshot_uri text;
