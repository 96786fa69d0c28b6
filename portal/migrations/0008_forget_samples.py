from django.db import migrations

# PostgreSQL keeps for its planner the most frequent values of each column and some hundred others, and whoever may
# read the table may read them (pg_stats). They are taken anew when enough rows have changed, which may be never after
# one erasure. Only the owner of a table may ask for it, so the owner lends that, and nothing else.
TABLES = (
    "risk_account", "risk_signal", "risk_link", "risk_score", "risk_reason", "moderation_case", "moderation_draft",
    "moderation_enforcement", "moderation_attempt", "moderation_finding", "moderation_export", "portal_vaultvalue",
)  # fmt: skip
FORGET = f"""
CREATE FUNCTION portal_forget_samples() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE place regclass;
BEGIN
    FOREACH place IN ARRAY ARRAY[{", ".join(f"to_regclass('public.{table}')" for table in TABLES)}] LOOP
        CONTINUE WHEN place IS NULL;
        EXECUTE format('ANALYZE %s', place);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("portal", "0007_logged")]

    operations = [migrations.RunSQL(FORGET, "DROP FUNCTION portal_forget_samples()")]
