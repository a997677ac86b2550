-- What was sold, by month and item.
SELECT
    realm_id,
    date_trunc('month', txn_date) AS month,
    item_name,
    sum(home_amount) AS revenue
FROM {{ source('silver', 'sales_line') }}
GROUP BY realm_id, month, item_name
