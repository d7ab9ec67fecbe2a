-- Weeks of a weather station: how cold, how warm, how wet, and the wettest day.
WITH weekly AS (
    SELECT station, (CAST(substr(day, 9) AS INTEGER) - 1) / 7 + 1 AS week, day, low + 0.0 AS low, high + 0.0 AS high,
        rain + 0.0 AS rain, rank() OVER (PARTITION BY station, (CAST(substr(day, 9) AS INTEGER) - 1) / 7
            ORDER BY rain + 0.0 DESC, day) AS place
    FROM data)
SELECT station, week, count(*) AS days, min(low) AS coldest, max(high) AS warmest,
    round(sum(rain), 1) AS rain, max(iif(place = 1, day, NULL)) AS wettest,
    sqrt(avg(high * high) - avg(high) * avg(high)) AS deviation
FROM weekly
GROUP BY station, week
ORDER BY station, week
