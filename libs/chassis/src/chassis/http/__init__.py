"""What every service's HTTP edge needs: problems, rights, keys, waiting, pages, ETags, fields."""
