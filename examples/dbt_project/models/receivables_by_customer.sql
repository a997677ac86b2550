-- What each customer owes, and how old the oldest of it is.
SELECT
    realm_id,
    customer_id,
    any_value(customer_name) AS customer,
    count(*) AS documents,
    sum(home_open_amt) AS owed,
    max(days_past_due) AS oldest_days
FROM {{ source('silver', 'ar_open') }}
GROUP BY realm_id, customer_id
