from django.db import migrations


class Migration(migrations.Migration):
    """An export reaches as far as the log was sealed when it was made: the number of the asking is not kept any more."""

    dependencies = [
        ('moderation', '0003_log_checks'),
    ]

    operations = [
        migrations.RunSQL("UPDATE moderation_export SET filter = filter - 'horizon'", migrations.RunSQL.noop),
    ]
