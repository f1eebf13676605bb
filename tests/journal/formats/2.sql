-- A journal as format 2 wrote it. Never edit: add the next number's file when the format changes.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO meta VALUES ('format', '2');
CREATE TABLE states (route TEXT PRIMARY KEY, at FLOAT NOT NULL, doc TEXT NOT NULL);
INSERT INTO states VALUES ('digits', 1.0, '{"n":2}');
CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, at FLOAT NOT NULL, route TEXT NOT NULL, kind TEXT NOT NULL, doc TEXT NOT NULL);
INSERT INTO events VALUES (1, 1.0, 'digits', 'promoted', '{"at":1.0,"route":"digits","kind":"promoted"}');
CREATE INDEX events_by_route ON events (route, at);
CREATE INDEX events_by_time ON events (at);
CREATE TABLE verdicts (id INTEGER PRIMARY KEY AUTOINCREMENT, at FLOAT NOT NULL, route TEXT NOT NULL, doc TEXT NOT NULL);
INSERT INTO verdicts VALUES (1, 1.0, 'digits', '{"at":1.0,"result":"pass"}');
CREATE INDEX verdicts_by_route ON verdicts (route, id);
CREATE TABLE cursors (name TEXT PRIMARY KEY, doc TEXT NOT NULL);
INSERT INTO cursors VALUES ('record', '{"offset":7}');
CREATE TABLE problems (key TEXT PRIMARY KEY, since FLOAT NOT NULL, doc TEXT NOT NULL);
INSERT INTO problems VALUES ('git', 1.0, '{"message":"m"}');
CREATE TABLE reports ("key" TEXT PRIMARY KEY, at FLOAT NOT NULL, "release" TEXT NOT NULL, doc TEXT NOT NULL);
INSERT INTO reports VALUES ('k', 1.0, 'abc', '{"at":1.0}');
CREATE INDEX reports_by_release ON reports ("release", at);
