-- How the run's model does on each class of each evaluation set, the worst classes first
-- grain: one row per task, evaluation set and class
-- inputs: class_result, prediction
-- Without --run RUN there is none. `taken_for` is the class that most of the wrong pictures get.
WITH wrong AS (
    SELECT
        task,
        eval_set,
        class_number,
        predicted_name,
        COUNT(*) AS n,
        ROW_NUMBER() OVER (
            PARTITION BY task, eval_set, class_number
            ORDER BY COUNT(*) DESC, MIN(predicted_number)
        ) AS place
    FROM prediction
    WHERE NOT correct AND class_number IS NOT NULL
    GROUP BY task, eval_set, class_number, predicted_name
)

SELECT
    class_result.task,
    class_result.eval_set,
    class_result.class_name,
    class_result.n AS pictures,
    class_result.name AS figure,
    ROUND(1e2 * class_result.value, 2) AS percent,
    wrong.predicted_name AS taken_for,
    wrong.n AS times
FROM class_result
LEFT JOIN wrong
    ON
        class_result.task = wrong.task
        AND class_result.eval_set = wrong.eval_set
        AND class_result.class_number = wrong.class_number
        AND wrong.place = 1
ORDER BY
    class_result.task,
    class_result.eval_set,
    class_result.value NULLS LAST,
    class_result.class_number
