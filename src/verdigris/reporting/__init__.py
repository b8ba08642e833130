"""What people read after a run: report, notification, the candidate's last words."""
