-- Two builds compared: the settings of which they differ
-- grain: one row per setting that differs, or that one of them lacks
-- inputs: setting, other_setting
SELECT
    COALESCE(setting.name, other_setting.name) AS name,
    setting.value,
    other_setting.value AS other_value
FROM setting FULL OUTER JOIN other_setting ON setting.name = other_setting.name
WHERE
    setting.value IS NULL
    OR other_setting.value IS NULL
    OR setting.value <> other_setting.value
ORDER BY name
