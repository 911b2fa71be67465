create database messaging;
create database verify;
create database email;
create database voice;
