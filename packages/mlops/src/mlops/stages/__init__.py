"""What adding or removing a stage changes in the files that name stages: project.yml, releases/, infra/, CI."""
