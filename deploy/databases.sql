-- Beside Dagster's own database: the control plane, and the catalog of Bronze.
CREATE DATABASE control;
CREATE DATABASE lake;
