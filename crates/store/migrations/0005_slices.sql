-- How far a long job has come: where its next slice begins.
alter table job add column reached text;
