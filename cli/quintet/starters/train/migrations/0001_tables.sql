-- The weather pipeline's table, which its steps read as role weather.

CREATE TABLE weather.days (
    station text NOT NULL,
    day date NOT NULL,
    humidity double precision NOT NULL,
    pressure double precision NOT NULL,
    wind text NOT NULL,
    rain boolean NOT NULL,
    PRIMARY KEY (station, day)
);

-- Invented days, so that there is something to learn from: in a migration of yours, delete them and fill the table.
INSERT INTO weather.days
SELECT station, date '2026-01-01' + n, humidity, pressure, wind, (humidity - pressure + noise) > -925
FROM (
    SELECT
        station,
        n,
        30 + (n * 37 + length(station) * 11) % 70 AS humidity,
        985 + (n * 53 + length(station) * 17) % 45 AS pressure,
        (ARRAY['north', 'east', 'south', 'west'])[1 + (n * 29 + length(station)) % 4] AS wind,
        (n * 71 + length(station) * 5) % 21 - 10 AS noise
    FROM generate_series(0, 199) AS n, unnest(ARRAY['roof', 'yard', 'meadow']) AS station
) AS invented;

GRANT SELECT ON weather.days TO weather;
