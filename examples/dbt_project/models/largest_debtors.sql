-- The ten customers of each company that owe most.
SELECT realm_id, customer, owed, oldest_days
FROM {{ ref('receivables_by_customer') }}
WHERE owed > 0
QUALIFY row_number() OVER (PARTITION BY realm_id ORDER BY owed DESC, customer_id) <= 10
