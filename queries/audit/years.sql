-- Years that the addresses of pictures name in a folder: when the pictures were put there, perhaps
-- grain: one row per year, and one for addresses that name none
-- inputs: sample
-- Such as /wp-content/uploads/2014/05/a.jpg. No source says when a picture was taken.
WITH piece AS (
    SELECT SUBSTR(url, POSITION('/20' IN url) + 1, 5) AS folder
    FROM sample
),

dated AS (
    SELECT
        CASE
            WHEN
                folder IN (
                    '2000/', '2001/', '2002/', '2003/', '2004/', '2005/', '2006/', '2007/',
                    '2008/', '2009/', '2010/', '2011/', '2012/', '2013/', '2014/', '2015/',
                    '2016/', '2017/', '2018/', '2019/', '2020/', '2021/', '2022/', '2023/',
                    '2024/', '2025/', '2026/', '2027/', '2028/', '2029/', '2030/'
                )
                THEN SUBSTR(folder, 1, 4)
            ELSE 'no year'
        END AS year
    FROM piece
)

SELECT
    year,
    COUNT(*) AS samples,
    ROUND(1e2 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS percent
FROM dated
GROUP BY year
ORDER BY year
